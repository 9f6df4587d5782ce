#include "cli/terminal/table.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bx {

namespace {

constexpr std::size_t gap = 2;  // blanks between two columns

// Columns left out are 0 wide.
std::size_t total(const std::vector<std::size_t>& widths) {
    std::size_t sum = 0;
    for (std::size_t width : widths) sum += width > 0 ? width + gap : 0;
    return sum - std::min(sum, gap);
}

}  // namespace

Table::Table(std::vector<Column> columns, const Screen& screen)
    : columns_(std::move(columns)), screen_(screen) {
    for (const Column& column : columns_) widths_.push_back(column.title.size());
    left_out_.resize(columns_.size(), false);
}

void Table::add(std::vector<Cell> row) {
    assert(row.size() == columns_.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
        widths_[i] = std::max(widths_[i], columns_of(row[i].text));
    }
    rows_.push_back(std::move(row));
}

std::string Table::take() {
    if (rows_.empty()) return "";
    if (!titled_) leave_columns_out();
    std::vector<std::size_t> widths = fitted_widths();
    std::string text;
    if (!std::exchange(titled_, true)) {
        std::vector<Cell> titles;
        for (const Column& column : columns_) titles.emplace_back(std::string(column.title));
        text += screen_.paint(line(titles, widths), Colour::bold) + "\n";
    }
    for (const std::vector<Cell>& row : rows_) text += line(row, widths) + "\n";
    rows_.clear();
    return text;
}

void Table::leave_columns_out() {
    auto needed = [&](std::size_t i) {
        return columns_[i].least == 0 ? widths_[i] : std::min(widths_[i], columns_[i].least);
    };
    auto fits = [&] {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (!left_out_[i]) sum += needed(i) + gap;
        }
        return sum <= screen_.width + gap;
    };
    while (screen_.width > 0 && !fits()) {
        std::size_t last = columns_.size();
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            bool may_go = columns_[i].rank > 0 && !left_out_[i];
            if (may_go && (last == columns_.size() || columns_[i].rank > columns_[last].rank)) {
                last = i;
            }
        }
        if (last == columns_.size()) return;
        left_out_[last] = true;
    }
}

// Takes from the widest column that may still be cut until all fits, or none may.
std::vector<std::size_t> Table::fitted_widths() const {
    std::vector<std::size_t> widths = widths_;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        if (left_out_[i]) widths[i] = 0;
    }
    while (screen_.width > 0 && total(widths) > screen_.width) {
        std::size_t widest = columns_.size();
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            bool can_shrink = columns_[i].least > 0 && widths[i] > columns_[i].least;
            if (can_shrink && (widest == columns_.size() || widths[i] > widths[widest])) widest = i;
        }
        if (widest == columns_.size()) break;
        --widths[widest];
    }
    return widths;
}

std::string Table::line(const std::vector<Cell>& row,
                        const std::vector<std::size_t>& widths) const {
    std::string text;
    std::size_t used = 0;
    bool first = true;
    std::size_t pending = 0;  // blanks owed before the next text: none end a line
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (left_out_[i]) continue;
        if (!std::exchange(first, false)) pending += gap;
        std::size_t width = widths[i];
        if (screen_.width > 0) {
            std::size_t left = screen_.width - std::min(screen_.width, used + pending);
            width = std::min(width, left);
        }
        std::string content = columns_[i].whole ? row[i].text : cut_to(row[i].text, width);
        std::size_t blanks = width - std::min(width, columns_of(content));
        if (columns_[i].right) pending += blanks;
        if (!content.empty()) {
            text += std::string(pending, ' ') + screen_.paint(content, row[i].colour);
            used += pending + columns_of(content);
            pending = 0;
        }
        if (!columns_[i].right) pending += blanks;
    }
    return text;
}

}  // namespace bx
