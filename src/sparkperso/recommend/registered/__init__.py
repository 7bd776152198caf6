"""A registered recommender as it is used outside of Spark: from its files to lists."""
