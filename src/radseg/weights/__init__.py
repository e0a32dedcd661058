"""Facts about published weights, and their way from a publisher's file to one strict safetensors form."""
