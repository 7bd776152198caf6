"""Users into groups by rules, k-means or a hierarchy; named, described, followed from run to run.

`build.build_segmentation` makes any kind; `base` is what all share, `describe` what a segment is
like, `tables` a segmentation as rows, `live` rules as events come.
"""
