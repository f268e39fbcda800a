"""What networks cost on any machine: parameters, multiply-accumulates, memory."""
