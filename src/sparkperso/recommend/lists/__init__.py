"""Lists of everybody as rows: personal, popular, similar."""
