//! Go's `text/tabwriter`, as docker sets it up: cells end with a tab, columns are padded with blanks.

/// Docker's tables: at least 10 columns per cell, 3 of padding.
pub fn table(text: &str) -> String {
    align(text, 10, 3)
}

/// Aligns tab-terminated cells of adjacent lines. The text after a line's last tab is no cell.
pub fn align(text: &str, min: usize, padding: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|l| l.split('\t').collect()).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|l| vec![0; l.len()]).collect();
    for c in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            // A column is a run of lines that all have a terminated cell here.
            let run = lines[start..]
                .iter()
                .take_while(|l| l.len() > c + 1)
                .count();
            let width = lines[start..start + run]
                .iter()
                .map(|l| display_width(l[c]) + padding)
                .fold(min, usize::max);
            for w in &mut widths[start..start + run] {
                w[c] = width;
            }
            start += run.max(1);
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        for (c, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if c + 1 < line.len() {
                let pad = widths[i][c].saturating_sub(display_width(cell));
                out.extend(std::iter::repeat_n(' ', pad));
            }
        }
    }
    out
}

/// Columns a text takes on a terminal.
pub fn display_width(s: &str) -> usize {
    s.chars()
        .map(|c| match c as u32 {
            0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1f64f
            | 0x1f900..=0x1f9ff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}
