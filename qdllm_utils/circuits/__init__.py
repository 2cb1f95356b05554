"""The circuit as data, and its readers: simulator, PennyLane, drawing."""
