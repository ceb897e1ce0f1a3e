"""A run beside its training: directory, logs, TensorBoard, signals, and the machine it runs on."""
