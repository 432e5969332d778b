//! "did you mean": the nearest known word within an edit distance of two, as BuildKit's `util/suggest`.

/// The option nearest to `word`; none when one is equal (then the word was not the mistake) or all are far.
pub fn nearest<'a>(
    word: &str,
    options: impl IntoIterator<Item = &'a str>,
    case_sensitive: bool,
) -> Option<String> {
    let fold = |s: &str| {
        if case_sensitive {
            s.to_owned()
        } else {
            s.to_lowercase()
        }
    };
    let wanted = fold(word);
    let mut best = None;
    let mut limit = 3;
    for option in options {
        let option = fold(option);
        if option == wanted {
            return None;
        }
        let distance = levenshtein(&wanted, &option, limit);
        if distance < limit {
            limit = distance;
            best = Some(match_case(option, word, case_sensitive));
        }
    }
    best
}

/// `message`, with ` (did you mean X?)` appended when an option is near `word`.
pub fn suggest<'a>(
    message: String,
    word: &str,
    options: impl IntoIterator<Item = &'a str>,
    case_sensitive: bool,
) -> String {
    match nearest(word, options, case_sensitive) {
        Some(option) => format!("{message} (did you mean {option}?)"),
        None => message,
    }
}

fn match_case(option: String, like: &str, case_sensitive: bool) -> String {
    if case_sensitive {
        option
    } else if like == like.to_lowercase() {
        option.to_lowercase()
    } else if like == like.to_uppercase() {
        option.to_uppercase()
    } else {
        option
    }
}

/// Edit distance, or `limit` when it is at least that.
fn levenshtein(a: &str, b: &str, limit: usize) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) >= limit {
        return limit;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()].min(limit)
}
