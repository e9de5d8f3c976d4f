"""Random mistakes, made by Cosmic Ray's operators and two of ours; `make mutants` lists those that no test notices."""
