"""What would change, and how: desired state and catalog in, steps with their SQL out. Pure; nothing here is executed."""
