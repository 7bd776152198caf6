"""The section `recommend`: models, how they are chosen, and their lists."""
