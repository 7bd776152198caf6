"""What is shown: the section `serving`, slots, content and rules."""
