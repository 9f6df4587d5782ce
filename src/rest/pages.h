// All items of a method that lists, page by page.
//
// Where items have ids they are read by id (order by id, filter on those beyond the last, no
// count): what is added or deleted meanwhile moves none of the others, and a page costs the same
// however far it is.  Elsewhere by `start`, as `next` says.  What a method does not keep to is an
// error: a list that goes on for ever, or has lost items, looks like one that is whole.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rest/answer.h"
#include "rest/method_call.h"

namespace bx {

// How a list ended.
struct ListEnd {
    RestCause cause = RestCause::none;
    std::string text;     // of one that was cut short: why
    std::string last_id;  // of the last item that was given; empty: none, or without ids
    // "ID", as the method's filter takes it to go on after that one; empty: it came in another
    // order.
    std::string name_of_id;
};

class ListReader {
public:
    using Ask = std::function<RestAnswer(const MethodCall&)>;
    // Is given the items of a page, and how many there are in all; 0: that is not known.
    using Give = std::function<void(const std::vector<JsonText>& items, std::size_t total)>;

    // CALL is without `start` and `order` (check_list_call).
    ListReader(MethodCall call, Ask ask, Give give);

    ListEnd read();

private:
    struct Page {
        RestAnswer answer;  // owns what `items` look into
        std::vector<JsonText> items{};
        std::optional<std::string> problem{};
        bool refused = false;  // by the method
    };
    Page ask(const MethodCall& call);
    ListEnd read_by_id(Page page);
    ListEnd read_by_start(Page page);
    ListEnd cut_short(RestCause cause, std::string why) const;
    void give(const Page& page);
    std::string too_few() const;
    std::optional<std::string> check_ids(const Page& page);

    MethodCall call_;
    Ask ask_;
    Give give_;
    std::string key_;     // "ID"
    std::string last_;    // id of the last item that was given
    std::size_t given_ = 0;  // items
    std::size_t total_ = 0;
    bool by_id_ = false;  // all with smaller ids were given before it
};

// Throws UsageError where CALL has `start` or `order`, or two spellings of `filter`.
void check_list_call(const MethodCall& call);

// CALL with the items beyond the id LAST (empty: all), in the order of KEY.
MethodCall beyond(const MethodCall& call, const std::string& key, const std::string& last);
// CALL from the item START on.
MethodCall from_start(const MethodCall& call, std::int64_t start);

}  // namespace bx
