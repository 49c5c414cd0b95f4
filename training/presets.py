"""Named model sizes: the Kanana family and small ones for tests, demo and a first run.

Kanana sizes follow kanana-nano-2.1b's published config.json and the paper (arXiv 2502.18934). What the
authors do not state is marked as inferred in ``BASIS``; sizes that cannot be inferred (26.8B, 32.5B, 3B,
385M, 192M) are not here. The Kanana vocabulary is Llama 3's, 128,256 ids. ``kanana-HIDDEN-FFN-HEADS`` are the
shapes that the paper's table 16 compares.
"""

from __future__ import annotations

from hanji.training.model.shape import ModelShape

TABLE_16 = {
    (1280, 5120, 24): "0.96B",
    (1280, 5760, 16): "0.96B",
    (1280, 5760, 24): "1.04B",
    (1536, 4608, 16): "0.98B",
    (1536, 4608, 24): "1.08B",
    (1536, 5376, 8): "0.99B",
    (1536, 5376, 16): "1.09B",
    (1536, 6144, 8): "1.11B",
    (1024, 3072, 16): "504M",
}
"""Hidden size, FFN width and query heads of table 16's shapes, and their parameters beside the embedding."""

PRESETS: dict[str, ModelShape] = {
    "kanana-2.1b": ModelShape(
        layers=32, hidden=1792, ffn=8064, heads=24, kv_heads=8, head_dim=128, tied=True
    ),
    "kanana-8b": ModelShape(
        layers=32, hidden=4096, ffn=14336, heads=32, kv_heads=8, head_dim=128, tied=False
    ),
    "kanana-9.8b": ModelShape(
        layers=40, hidden=4096, ffn=14336, heads=32, kv_heads=8, head_dim=128, tied=False
    ),
    "kanana-4.5b": ModelShape(
        layers=32, hidden=3072, ffn=9216, heads=32, kv_heads=8, head_dim=128, tied=False
    ),
    "kanana-1.3b": ModelShape(
        layers=32, hidden=1536, ffn=4608, heads=24, kv_heads=8, head_dim=128, tied=True
    ),
    "kanana-635m": ModelShape(
        layers=32, hidden=1024, ffn=3072, heads=16, kv_heads=8, head_dim=128, tied=True
    ),
    **{
        f"kanana-{hidden}-{ffn}-{heads}": ModelShape(
            layers=32, hidden=hidden, ffn=ffn, heads=heads, kv_heads=8, head_dim=128, tied=True
        )
        for hidden, ffn, heads in TABLE_16
    },
    "ten-million": ModelShape(
        layers=6,
        hidden=288,
        ffn=768,
        heads=6,
        kv_heads=2,
        head_dim=48,
        tied=True,
        seq_length=256,
        init_std=0.037,
    ),
    "demo": ModelShape(
        layers=4,
        hidden=192,
        ffn=512,
        heads=6,
        kv_heads=2,
        head_dim=32,
        tied=True,
        seq_length=256,
        init_std=0.046,
    ),
    "tiny": ModelShape(
        layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, head_dim=16, tied=True, seq_length=64
    ),
}

BASIS: dict[str, str] = {
    "kanana-2.1b": "published config.json of kanana-nano-2.1b-base",
    "kanana-8b": "inferred: Llama 3 8B, untied as the authors' blog says",
    "kanana-9.8b": "inferred: 40 layers of the 8B is the only depth that gives 9.8B",
    "kanana-4.5b": "inferred: fits the stated size exactly (the shape of Llama-3.1-Minitron-4B-Width)",
    "kanana-1.3b": "one of the two candidates of the paper's table 16; which was released is not said",
    "kanana-635m": "table 16 of the paper (1024, 3072, 16 heads); depth, key-value heads and tying inferred",
    **{
        f"kanana-{hidden}-{ffn}-{heads}": f"table 16 of the paper ({stated} beside the embedding) for hidden size, "
        "FFN and query heads; 32 layers, 8 key-value heads and tying inferred: the stated size comes out"
        for (hidden, ffn, heads), stated in TABLE_16.items()
    },
    "ten-million": "this project's: about 10M parameters with a vocabulary of 16,384; initial weights of std "
    "sqrt(2 / (5·hidden)) (Nguyen and Salazar, arXiv 1910.05895): 0.02 is too small at this width",
    "demo": "this project's: about 2M parameters beside the embedding; initial weights as of ten-million",
    "tiny": "this project's: for tests",
}
"""Where each preset's numbers come from."""
