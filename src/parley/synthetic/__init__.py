"""The bundled world: synthetic images of drawn creatures, to run the workflow without a network or a data set."""
