//! Tables for people.

/// On which side the cells of a column begin or end together.
#[derive(Clone, Copy)]
pub enum Align {
    Left,
    Right,
}

/// Lays out `rows` in columns that are as wide as their widest cell, two spaces apart, as many as
/// `columns` has; a row may have fewer cells.
pub fn table(columns: &[Align], rows: &[Vec<String>]) -> String {
    let width = |column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell: &String| cell.chars().count()).max()
    };
    let columns: Vec<(Align, usize)> = columns
        .iter()
        .enumerate()
        .map(|(column, &align)| (align, width(column).unwrap_or(0)))
        .collect();
    rows.iter().map(|row| line(&columns, row)).collect()
}

fn line(columns: &[(Align, usize)], row: &[String]) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(columns)
        .map(|(cell, &(align, width))| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        })
        .collect();
    format!("{}\n", cells.join("  ").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_line_up_and_no_line_ends_in_spaces() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["a", "1", "one"]),
            row(["long", "1000", ""]),
            vec!["é".to_owned()],
        ];
        assert_eq!(
            table(&[Align::Left, Align::Right, Align::Left], &rows),
            "a        1  one\n\
             long  1000\n\
             é\n"
        );
    }
}
