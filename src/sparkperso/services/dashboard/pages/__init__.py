"""The pages: what is asked, and in which sections it is shown."""
