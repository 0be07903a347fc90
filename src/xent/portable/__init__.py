"""The losses written once over a small namespace of operations, differentiable to any order in everything."""
