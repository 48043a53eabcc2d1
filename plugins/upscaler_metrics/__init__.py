"""How far an estimate is from its reference, in numbers."""
