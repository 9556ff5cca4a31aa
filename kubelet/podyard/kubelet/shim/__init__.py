"""The small process that each pod sandbox is. It must start fast and stay small: see runtime/README.md."""
