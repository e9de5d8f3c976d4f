"""Random mistakes, made by Cosmic Ray's operators and two of ours; `make mutants` says which go unnoticed."""
