// Many calls in few requests: Bitrix24's `batch`, 50 commands each.
//
// A command is a query string, so that it cannot say null, or that a list is empty.  `$result[...]`
// in it stands for what an earlier command gave: values of users must not come to that, and a call
// that has it is made alone.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rest/answer.h"
#include "rest/method_call.h"

namespace bx {

struct BatchCall {
    std::string id;      // of the caller, as JSON
    std::string method;  // is_method_name
    std::string query;   // its arguments, as a form
    bool alone = false;
};

// TEXT is lines of {"id","method","params"}; empty lines are left out.  Throws UsageError, with the
// number of the line, where one is not, or has what a command cannot say.
std::vector<BatchCall> read_batch(std::string_view text);

// At most so many in a request.
constexpr std::size_t batch_size = 50;

struct BatchEnd {
    std::size_t failed = 0;
    bool may_repeat = false;  // it may help to make one that failed again
    std::string text;         // why a whole request failed, and those behind it were not sent
};

class BatchSender {
public:
    using Ask = std::function<RestAnswer(const MethodCall&)>;
    // Is given {"id","result"} or {"id","error"} for each, in order, without the LF.
    using Give = std::function<void(const std::string& line)>;
    // Is told of each method in a request what was answered last: its operating time counts as that
    // of one that is called alone.
    using Note = std::function<void(const std::string& method, const RestAnswer& answer)>;

    BatchSender(Right right, Ask ask, Give give, Note note);

    BatchEnd send(const std::vector<BatchCall>& calls);

private:
    using Calls = std::vector<BatchCall>;
    std::optional<RestAnswer> send_some(Calls::const_iterator first, Calls::const_iterator last);
    void note_operating(const JsonText& said, Calls::const_iterator first,
                        Calls::const_iterator last) const;
    void send_alone(const BatchCall& call);
    void give_result(const BatchCall& call, std::string_view result);
    void give_line(const BatchCall& call, std::string_view name, std::string_view value);
    void give_error(const BatchCall& call, RestCause cause, std::string_view error);
    void give_failure(const BatchCall& call, const RestAnswer& answer,
                      const std::string& before = {});

    Right right_;
    Ask ask_;
    Give give_;
    Note note_;
    BatchEnd end_{};
};

}  // namespace bx
