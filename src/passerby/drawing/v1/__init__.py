"""Version 1 of the drawn people: frozen, its pictures are what results of `synthetic v1` quote."""
