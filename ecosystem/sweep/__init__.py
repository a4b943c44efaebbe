"""Many runs over a plan of parameters: which runs, how they are carried out, and what follows from them."""
