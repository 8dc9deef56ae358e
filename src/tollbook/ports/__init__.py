"""What the use cases need of the world, as Protocols written by the rooms that call them."""
