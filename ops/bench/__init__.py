"""The benchmarks of `make bench`: how fast the service is beside its peers, and how its own costs compare.

One module for one subject; `table` names the benchmarks and their goals and drives them all. Nothing of the product may import
what lives here.
"""
