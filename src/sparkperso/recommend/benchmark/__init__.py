"""All models on a split that the user gives: tuned inside its training part, asked once."""
