"""How a network is trained: data, augmentation, engines, handlers, checkpoints, inspection."""
