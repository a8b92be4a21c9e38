PASSWORD = "correct horse battery"  # of everybody
