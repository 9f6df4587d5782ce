// Columns of text, aligned, and on a terminal never wider than it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal/screen.h"

namespace bx {

struct Cell {
    Cell(std::string content, Colour paint = Colour::none)
        : text(std::move(content)), colour(paint) {}

    std::string text;  // printable, one line
    Colour colour;
};

struct Column {
    std::string_view title;
    bool right = false;     // numbers
    std::size_t least = 0;  // it may be cut down to that many columns; 0: never cut
    // Where the screen is too narrow for the columns at their `least`, the one with the highest
    // rank is left out, then the next; 0: never.
    int rank = 0;
    // Made narrower, it still shows all of a longer text, which pushes what comes after it aside.
    bool whole = false;
};

// Rows may be printed in several batches (`list --follow`): columns only grow, and those left out
// of the first stay out.
class Table {
public:
    Table(std::vector<Column> columns, const Screen& screen);

    void add(std::vector<Cell> row);  // one cell a column
    // The rows added since the last call, each with its LF; the titles before the first of all.
    // Empty when there was none.
    std::string take();

private:
    void leave_columns_out();
    std::vector<std::size_t> fitted_widths() const;
    std::string line(const std::vector<Cell>& row, const std::vector<std::size_t>& widths) const;

    std::vector<Column> columns_;
    Screen screen_;
    std::vector<std::size_t> widths_;
    std::vector<bool> left_out_;
    std::vector<std::vector<Cell>> rows_;
    bool titled_ = false;
};

}  // namespace bx
