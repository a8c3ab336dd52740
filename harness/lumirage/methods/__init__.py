"""Handles method folders: makes them from templates, builds images, checks conformance, fetches weights.

In:     a folder with `method.yaml` and a Dockerfile.
Out:    an image, a SIF file, weights in the cache, findings of `methods check`.
Never:  the user's datasets, the isolation and measurement of containers.
Read first: `image_build`, then `conformance`.
"""
