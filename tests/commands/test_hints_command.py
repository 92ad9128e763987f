"""`loramon hints` as a user meets it."""

from shell import loramon


def test_without_words_all_titles_are_listed_and_whose_experience_they_are():
    done = loramon("hints", "--lang", "en")
    assert done.status == 0
    assert "One author's experience of SD1.5 and SDXL" in done.text
    assert "alpha: Which alpha?" in done.text and "lr-scheduler:" in done.text


def test_a_word_shows_the_whole_hint_with_what_is_said_today():
    done = loramon("hints", "alpha", "--lang", "en")
    assert "Half of the dimension or less" in done.text and "Today: Alpha acts as learning rate × alpha ÷ rank" in done.text


def test_a_word_that_is_in_no_hint_is_said_so_and_the_topics_are_given():
    done = loramon("hints", "\x1b[31mzzz", "--lang", "ja")
    assert done.status == 0 and "\x1b" not in done.text
    assert "zzzを含むヒントはありません" in done.text and "steps:" in done.text


def test_json_is_one_object_that_says_experience():
    told = loramon("hints", "steps", "--json", "--lang", "ja").objects
    assert len(told) == 1 and told[0]["basis"] == "experience"
    assert told[0]["hints"][0]["id"] == "steps" and "3000-7000" in told[0]["hints"][0]["text"][0]
    assert told[0]["hints"][0]["today"]["basis"] == "documented"


def test_reports_and_explanations_point_at_hints(tmp_path):
    assert "loramon hints out-of-memory" in loramon("explain", "oom-vram", "--lang", "en").text
