import albumentations as A

transforms = A.Compose(
    [
        A.HorizontalFlip(p=0.5),
        A.ShiftScaleRotate(shift_limit=0.125, scale_limit=0, rotate_limit=0, p=1.0, fill=(125.0, 123.0, 114.0)),
        A.CoarseDropout(p=0.5, fill=(125.0, 123.0, 114.0), fill_mask=None, num_holes_range=(1, 1), hole_height_range=(8, 8), hole_width_range=(8, 8)),
    ]
)
