"""How well pictures are found again: changed copies by picture alone, and pictures together with texts."""
