"""Scores of written text: valence, norms, the wave around the wheel."""

import numpy as np
import pytest

from volvelle.experiments.circles import lexicons as circle_texts


def test_distinct_words_count_words_once():
    assert circle_texts.distinct_words("so sad, so SAD so") == pytest.approx(2 / 5)
    assert circle_texts.distinct_words("don't don\u2019t 7") == 1.0
    assert circle_texts.distinct_words("...") == 0


def test_vader_tells_good_from_bad():
    pytest.importorskip("vaderSentiment")
    assert circle_texts.valence("a wonderful, happy day") > 0.5
    assert circle_texts.valence("a terrible, sad day") < -0.5


def test_without_vader_valence_is_unknown_and_said(monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, "vaderSentiment.vaderSentiment", None)
    circle_texts._vader.cache_clear()
    assert np.isnan(circle_texts.valence("a wonderful day"))
    assert "pip install vaderSentiment" in caplog.text
    circle_texts._vader.cache_clear()


def test_a_norms_file_of_the_users_scores_texts(tmp_path):
    path = tmp_path / "vad.csv"
    path.write_text("Word,Arousal,Valence,n\nstorm,0.9,0.3,4\ncalm,0.1,0.8,5\n")
    norms = circle_texts.read_norms(path)
    assert norms["storm"] == (0.3, 0.9)
    scored = circle_texts.norms_of("Calm before the storm", norms)
    assert scored == {"valence": 0.55, "arousal": 0.5, "share": 0.5}
    assert np.isnan(circle_texts.norms_of("nothing here", norms)["arousal"])
    path.write_text("token,v\nx,1\n")
    with pytest.raises(ValueError, match="word, valence, arousal missing"):
        circle_texts.read_norms(path)


def test_a_wave_in_text_scores_is_told_from_noise():
    angles = np.repeat(np.arange(0, 360, 30.0), 16)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(len(angles))
    wave = circle_texts.wave_of_texts(angles, np.cos(np.radians(angles - 350)) + noise)
    assert wave.p < 0.01
    assert abs((wave.peak - 350 + 180) % 360 - 180) < 15
    assert wave.r > 0.85
    flat = circle_texts.wave_of_texts(angles, noise)
    assert flat.amplitude < wave.amplitude / 2
