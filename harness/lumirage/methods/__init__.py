"""Method folders: made from templates, built into images, checked for conformance, given their weights.

In:     a folder with `method.yaml` and a Dockerfile.
Out:    an image, a SIF file, weights in the cache, findings of `methods check`.
Never:  datasets of the user, how a container is isolated and measured.
Read first: `image_build`, then `conformance`.
"""
