"""Ray casting: a room and a camera to colour, depth and labels.

Direct light with soft shadows, a hemispherical ambient term, highlights, exposure, vignette and sensor
noise. Labels and depth are those of the ray through the middle of the pixel and are exact.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radseg.miniature.world.materials import albedo, specular
from radseg.miniature.world.scene import FIRST_OBJECT, Camera, Room
from radseg.miniature.world.solids import Solid, first_hit, local_normal, passing, room_hit
from radseg.types import ShortRepr

Array = NDArray[np.float32]
_FACE_NORMALS = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, -1, 0), (0, 0, -1)], np.float32)
_LAMP_RADIUS = 0.12  # metres; spreads the shadow rays and so the penumbra


@dataclass(frozen=True, eq=False, repr=False)
class View(ShortRepr):
    """What a camera sees.

    Attributes:
        rgb: uint8 "H W 3", sRGB.
        depth: float32 "H W", metres along the optical axis.
        semantic: int16 "H W", index into `names`.
        instance: int16 "H W"; below FIRST_OBJECT the faces of the room, then its objects in order.
        names: the names of the room, sorted.
    """

    rgb: NDArray[np.uint8]
    depth: Array
    semantic: NDArray[np.int16]
    instance: NDArray[np.int16]
    names: tuple[str, ...]
    camera: Camera

    def shares(self) -> dict[str, float]:
        """Return the share of the image each visible name covers, largest first."""
        counts = np.bincount(self.semantic.ravel(), minlength=len(self.names)) / self.semantic.size
        order = np.argsort(-counts, kind="stable")
        return {self.names[i]: float(counts[i]) for i in order if counts[i] > 0}


@dataclass(frozen=True, eq=False)
class _Hits:
    """Where the rays end: part −1 − face for the room itself, else index into `parts`."""

    points: Array
    normals: Array
    part: NDArray[np.int64]
    t: Array


def rays(camera: Camera) -> tuple[Array, Array]:
    """Return origin "3 1" and directions "3 n" (row-major pixels) with z_camera = 1, so that t is the
    depth.
    """
    y, x = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float64) + 0.5
    local = np.stack(
        [
            (x.ravel() - camera.centre[0]) / camera.focal,
            (y.ravel() - camera.centre[1]) / camera.focal,
            np.ones(camera.height * camera.width),
        ]
    )
    pose = camera.camera_to_world
    return pose[:3, 3:].astype(np.float32), (pose[:3, :3] @ local).astype(np.float32)


def render(room: Room, camera: Camera, *, seed: int = 0, noise: float = 1.0) -> View:
    """Return the view of `room` through `camera`.

    `seed` draws shadow jitter, exposure and sensor noise; labels and depth do not depend on it. `noise`
    scales the imperfections of the sensor, 0 is a perfect one.
    """
    rng = np.random.default_rng((room.seed, seed, 7))
    parts = [(solid, i) for i, object in enumerate(room.objects) for solid in object.solids]
    origin, directions = rays(camera)
    hits = _cast(room, parts, origin, directions)
    owner = np.array([-1, *(i for _, i in parts)], np.int64)
    instance = np.where(hits.part < 0, -1 - hits.part, FIRST_OBJECT + owner[np.maximum(hits.part, -1) + 1])
    colour = _shade(room, parts, hits, -directions, rng)
    index = {name: i for i, name in enumerate(room.names)}
    lookup = np.array(
        [index[room.instance_name(i)] for i in range(FIRST_OBJECT + len(room.objects))], np.int16
    )
    shape = (camera.height, camera.width)
    return View(
        rgb=_develop(colour.reshape(*shape, 3), np.random.default_rng((room.seed, seed, 8)), noise),
        depth=hits.t.reshape(shape),
        semantic=lookup[instance].reshape(shape),
        instance=instance.astype(np.int16).reshape(shape),
        names=room.names,
        camera=camera,
    )


def render_smooth(room: Room, camera: Camera, *, seed: int = 0, samples: int = 2) -> View:
    """Return a view whose colours average samples² rays per pixel: slower, without stairs; for showing.

    Labels and depth are those of `render`.
    """
    scale = float(samples)
    fine = Camera(
        camera.height * samples,
        camera.width * samples,
        camera.focal * scale,
        (camera.centre[0] * scale, camera.centre[1] * scale),
        camera.camera_to_world,
    )
    rgb = render(room, fine, seed=seed).rgb.reshape(camera.height, samples, camera.width, samples, 3)
    return replace(render(room, camera, seed=seed), rgb=(rgb.mean((1, 3)) + 0.5).astype(np.uint8))


def _cast(room: Room, parts: list[tuple[Solid, int]], origin: Array, directions: Array) -> _Hits:
    t, face = room_hit(room.size, origin, directions)
    part = -1 - face
    index = 0
    for object in room.objects:
        near = passing(*object.bound, origin, directions)
        for solid in object.solids:
            candidate = first_hit(solid, origin, directions[:, near])
            closer = candidate < t[near]
            t[near[closer]], part[near[closer]] = candidate[closer], index
            index += 1
    points = origin + t * directions
    normals = _FACE_NORMALS[np.maximum(-1 - part, 0)].T.copy()
    for index, (solid, _) in enumerate(parts):
        mine = np.flatnonzero(part == index)
        if mine.size:
            local = solid.to_local(points[:, mine] - np.asarray(solid.centre, np.float32)[:, None])
            normals[:, mine] = solid.normal_to_world(local_normal(solid, local))
    return _Hits(points, normals, part, t)


def _surface(room: Room, parts: list[tuple[Solid, int]], hits: _Hits) -> tuple[Array, Array, Array]:
    """Return albedo "n 3", highlight strength "n" and glow "n" of the hit points."""
    n = hits.t.size
    colour, shine, glow = np.empty((n, 3), np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32)
    for code in np.unique(hits.part):
        mine = np.flatnonzero(hits.part == code)
        points = hits.points[:, mine]
        if code < 0:
            face = int(-1 - code)
            finish, tint = room.faces[face], room.face_tints[face]
            u, v = _plane(points, face % 3)
            key = room.seed * 31 + (face % 3 == 2) * (1 + face)
        else:
            solid, owner = parts[code]
            object = room.objects[owner]
            finish, tint = solid.finish, object.tint
            offset = points - np.asarray(solid.centre, np.float32)[:, None]
            local = solid.to_local(offset)
            axis = np.abs(local_normal(solid, local)).argmax(0)
            metric = local * np.asarray(solid.half, np.float32)[:, None]
            u, v = _planes(metric, axis)
            key = room.seed * 31 + 101 * owner + 11
            glow[mine] = solid.glow
        colour[mine] = albedo(finish, u, v, key, np.asarray(tint, np.float32))
        shine[mine] = specular(finish)
    return colour, shine, glow


def _plane(points: Array, axis: int) -> tuple[Array, Array]:
    """Return the two coordinates along a face across `axis`; upright faces get (horizontal, height)."""
    return (points[1], points[2]) if axis == 0 else (points[0], points[2] if axis == 1 else points[1])


def _planes(points: Array, axis: NDArray[np.int64]) -> tuple[Array, Array]:
    return np.where(axis == 0, points[1], points[0]), np.where(axis == 2, points[1], points[2])


def _shade(
    room: Room, parts: list[tuple[Solid, int]], hits: _Hits, to_eye: Array, rng: np.random.Generator
) -> Array:
    """Return linear RGB "n 3"."""
    base, shine, glow = _surface(room, parts, hits)
    eye = to_eye / np.linalg.norm(to_eye, axis=0, keepdims=True)
    facing = (hits.normals * eye).sum(0) < 0
    normals = np.where(facing, -hits.normals, hits.normals)
    sky = room.ambient * (0.8 + 0.2 * normals[2])
    light = np.repeat(sky[:, None], 3, 1)
    gloss = np.zeros_like(light)
    start = (hits.points + normals * np.float32(3e-3)).astype(np.float32)
    for place, power in room.lights:
        jitter = rng.normal(0, _LAMP_RADIUS, (3, start.shape[1])).astype(np.float32)
        to_light = np.asarray(place, np.float32)[:, None] + jitter - start
        distance = np.sqrt(to_light[0] ** 2 + to_light[1] ** 2 + to_light[2] ** 2)
        toward = to_light / distance
        cosine = (normals * toward).sum(0)
        lit = np.flatnonzero(cosine > 0)
        open_sky = _unblocked(room, start[:, lit], to_light[:, lit])
        lit = lit[open_sky]
        strength = (cosine[lit] / (0.5 + 0.12 * distance[lit] ** 2))[:, None] * np.asarray(power, np.float32)
        light[lit] += strength
        half = toward[:, lit] + eye[:, lit]
        half /= np.maximum(np.linalg.norm(half, axis=0, keepdims=True), 1e-6)
        peak = np.maximum((normals[:, lit] * half).sum(0), 0) ** 32
        gloss[lit] += (shine[lit] * peak)[:, None] * np.asarray(power, np.float32)
    colour = base * (light + glow[:, None] * 3) + gloss
    return colour.astype(np.float32)


def _unblocked(room: Room, points: Array, to_light: Array) -> NDArray[np.bool_]:
    free = np.ones(points.shape[1], np.bool_)
    for object in room.objects:
        near = passing(*object.bound, points, to_light)
        for solid in object.solids:
            near = near[free[near]]
            if near.size:
                free[near] = ~(first_hit(solid, points[:, near], to_light[:, near]) < 1)
    return free


def _develop(linear: Array, rng: np.random.Generator, noise: float) -> NDArray[np.uint8]:
    """Expose, encode as sRGB (gamma 2.2) and add sensor noise."""
    height, width = linear.shape[:2]
    exposure = float(np.exp(rng.normal(0, 0.1 * noise)))
    balance = np.exp(rng.normal(0, 0.02 * noise, 3)).astype(np.float32)
    y, x = np.mgrid[0:height, 0:width]
    r2 = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2).astype(np.float32)
    exposed = linear * balance * exposure * (1 - 0.25 * noise * r2)[..., None]
    encoded = np.clip(exposed, 0, 1) ** np.float32(1 / 2.2)
    grain = rng.normal(0, 0.012 * noise, encoded.shape).astype(np.float32)
    return np.clip((encoded + grain) * 255 + 0.5, 0, 255).astype(np.uint8)
