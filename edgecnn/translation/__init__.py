"""A sequence model with its vocabulary: sentences in, sentences out, on any runtime."""

from edgecnn.translation.translator import Translation, Translator, load_translator

__all__ = ["Translation", "Translator", "load_translator"]
