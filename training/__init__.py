"""How the models that ship inside the package were made. Nothing at run time imports it."""
