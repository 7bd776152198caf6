"""Fits of one model: in the driver, in tasks, or across the cluster."""
