//! Names for containers that were not given one: an adjective and the name of
//! someone notable in science or computing, as `focused_turing`.

use crate::clock::Entropy;

const ADJECTIVES: &str = "admiring adoring affectionate agitated amazing angry awesome beautiful blissful bold boring brave \
busy charming clever compassionate competent condescending confident cool cranky crazy dazzling determined distracted dreamy eager \
ecstatic elastic elated elegant eloquent epic exciting fervent festive flamboyant focused friendly frosty funny gallant gifted \
goofy gracious great happy hardcore heuristic hopeful hungry infallible inspiring intelligent interesting jolly jovial keen kind \
laughing loving lucid magical modest musing mystifying naughty nervous nice nifty nostalgic objective optimistic peaceful pedantic \
pensive practical priceless quirky quizzical recursing relaxed reverent romantic sad serene sharp silly sleepy stoic strange \
stupefied suspicious sweet tender thirsty trusting unruffled upbeat vibrant vigilant vigorous wizardly wonderful xenodochial \
youthful zealous zen";

const SURNAMES: &str = "agnesi albattani allen almeida archimedes ardinghelli aryabhata austin babbage banach banzai bardeen bartik \
bassi beaver bell benz bhabha bhaskara blackburn blackwell bohr booth borg bose bouman boyd brahmagupta brattain brown buck burnell \
cannon carson cartwright carver cerf chandrasekhar chaplygin chatelet chatterjee chaum chebyshev clarke cohen colden cori cray curie \
curran darwin davinci dewdney dhawan diffie dijkstra dirac driscoll dubinsky easley edison einstein elbakyan elgamal elion ellis \
engelbart euclid euler faraday feistel fermat fermi feynman franklin gagarin galileo galois ganguly gates gauss germain goldberg \
goldstine goldwasser golick goodall gould greider grothendieck haibt hamilton haslett hawking heisenberg hellman hermann herschel \
hertz heyrovsky hodgkin hofstadter hoover hopper hugle hypatia ishizaka jackson jang jemison jennings jepsen johnson joliot jones \
kalam kapitsa kare keldysh keller kepler khayyam khorana kilby kirch knuth kowalevski lalande lamarr lamport leakey leavitt lederberg \
lehmann lewin lichterman liskov lovelace lumiere mahavira margulis matsumoto maxwell mayer mccarthy mcclintock mclaren mclean mcnulty \
meitner mendel mendeleev meninsky merkle mestorf mirzakhani montalcini moore morse moser murdock napier nash neumann newton \
nightingale nobel noether northcutt noyce panini pare pascal pasteur payne perlman pike poincare poitras proskuriakova ptolemy raman \
ramanujan rhodes ride riemann ritchie robinson roentgen rosalind rubin saha sammet sanderson satoshi shamir shannon shaw shirley \
shockley shtern sinoussi snyder solomon spence stonebraker sutherland swanson swartz swirles taussig tesla tharp thompson torvalds tu \
turing varahamihira vaughan villani visvesvaraya volhard wescoff wilbur wiles williams williamson wilson wing wozniak wright wu yalow \
yonath zhukovsky";

fn pick(words: &'static str, entropy: &dyn Entropy) -> &'static str {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    let count = words.split_ascii_whitespace().count();
    let index = u32::from_le_bytes(bytes) as usize % count;
    words
        .split_ascii_whitespace()
        .nth(index)
        .unwrap_or("nameless")
}

/// A name; with `retry` > 0 a digit is appended, as the plain one was taken.
pub fn random_name(entropy: &dyn Entropy, retry: u32) -> String {
    let name = loop {
        let name = format!("{}_{}", pick(ADJECTIVES, entropy), pick(SURNAMES, entropy));
        // Steve Wozniak is not boring.
        if name != "boring_wozniak" {
            break name;
        }
    };
    if retry == 0 {
        return name;
    }
    let mut digit = [0];
    entropy.fill(&mut digit);
    format!("{name}{}", digit[0] % 10)
}

/// Docker's rule for names of containers, networks and volumes.
pub fn is_valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.len() >= 2
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededEntropy;

    #[test]
    fn names_are_valid_and_vary() {
        let entropy = SeededEntropy::new([7; 32]);
        let names: std::collections::BTreeSet<String> =
            (0..100).map(|_| random_name(&entropy, 0)).collect();
        assert!(names.len() > 90);
        assert!(
            names
                .iter()
                .all(|name| is_valid_name(name) && name.split('_').count() == 2)
        );
        assert!(random_name(&entropy, 1).ends_with(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn validity_is_dockers() {
        for good in ["ab", "a1", "A_b.c-d", "00"] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", "a", "-ab", "a b", "a/b", "é1", ".a"] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }
}
