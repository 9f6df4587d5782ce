#include "rest/batch.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/text.h"
#include "base/url.h"
#include "rest/call_fields.h"

namespace bx {

namespace {

// -- What is asked

struct Argument {
    std::string name;
    JsonText value;
};

// The arguments of OBJECT in order, as http_build_query() names them: "fields[TITLE]", "ids[0]".
// Not by recursion: how deep it is its writer chose.
std::vector<Argument> arguments_of(const JsonText& object) {
    std::vector<Argument> found;
    std::vector<Argument> open{{"", object}};  // the next is the last
    while (!open.empty()) {
        const Argument one = std::move(open.back());
        open.pop_back();
        std::vector<Argument> inner;
        for (const auto& [key, value] : one.value.members()) {
            inner.push_back({one.name.empty() ? key : one.name + "[" + key + "]", value});
        }
        std::size_t index = 0;
        for (const JsonText& value : one.value.items()) {
            inner.push_back({one.name + "[" + std::to_string(index++) + "]", value});
        }
        if (inner.empty() && !one.name.empty()) found.push_back(one);
        std::move(inner.rbegin(), inner.rend(), std::back_inserter(open));
    }
    return found;
}

std::string text_of(const Argument& argument) {
    const JsonText& value = argument.value;
    const std::string name = "'" + printable(argument.name, 60) + "'";
    switch (value.type()) {
        case JsonText::Type::null:
            throw UsageError(name + " is null, which a batch cannot say");
        case JsonText::Type::array:
        case JsonText::Type::object:
            throw UsageError(name + " is empty, which a batch cannot say of a list");
        case JsonText::Type::boolean:
            return value.text() == "true" ? "1" : "0";
        case JsonText::Type::number:
        case JsonText::Type::string:
            break;
    }
    return value.string();
}

bool refers_to_results(std::string_view text) {
    return text.find("$result") != text.npos;
}

BatchCall call_of(const JsonText& line) {
    const auto method = line.find("method");
    if (!line.is_object() || !method || !is_method_name(method->string())) {
        throw UsageError("it is not {\"id\",\"method\",\"params\"} with the name of a method");
    }
    BatchCall call;
    const auto id = line.find("id");
    call.id = id ? std::string(id->text()) : "null";
    call.method = method->string();
    const auto params = line.find("params");
    if (!params || params->is_null()) return call;
    const bool is_empty_list = params->is_array() && params->items().empty();
    if (!params->is_object() && !is_empty_list) throw UsageError("its params are not an object");
    for (const Argument& argument : arguments_of(*params)) {
        require_free_name(top_name(argument.name));
        const std::string value = text_of(argument);
        call.alone = call.alone || refers_to_results(argument.name) || refers_to_results(value);
        if (!call.query.empty()) call.query += '&';
        call.query += form_field(argument.name, value);
    }
    return call;
}

std::string key_of(std::size_t index) {
    return "c" + std::to_string(index);
}

}  // namespace

std::vector<BatchCall> read_batch(std::string_view text) {
    std::vector<BatchCall> calls;
    std::size_t number = 0;
    for (const std::string_view line : split(text, '\n')) {
        ++number;
        if (trim(line).empty()) continue;
        const std::string place = "--batch: line " + std::to_string(number) + ": ";
        const auto json = JsonText::parse(line);
        if (!json) throw UsageError(place + "it is not JSON");
        try {
            calls.push_back(call_of(*json));
        } catch (const UsageError& error) {
            throw UsageError(place + error.what());
        }
    }
    return calls;
}

BatchSender::BatchSender(Right right, Ask ask, Give give, Note note)
    : right_(right), ask_(std::move(ask)), give_(std::move(give)), note_(std::move(note)) {}

BatchEnd BatchSender::send(const std::vector<BatchCall>& calls) {
    for (auto next = calls.begin(); next != calls.end();) {
        if (next->alone) {
            send_alone(*next++);
            continue;
        }
        auto last = next;
        while (last != calls.end() && !last->alone &&
               last - next < static_cast<std::ptrdiff_t>(batch_size)) {
            ++last;
        }
        if (const auto failure = send_some(next, last)) {
            for (; last != calls.end(); ++last) give_failure(*last, *failure, "not sent: ");
            break;
        }
        next = last;
    }
    return std::move(end_);
}

void BatchSender::send_alone(const BatchCall& call) {
    const RestAnswer answer = ask_({.method = call.method, .body = call.query});
    if (answer.succeeded()) return give_result(call, answer.find("result")->text());
    give_failure(call, answer);
}

// A whole request that failed is not sent again, since part of it may have been done.  It is given
// then: what would come behind it is to wait too.
std::optional<RestAnswer> BatchSender::send_some(Calls::const_iterator first,
                                           Calls::const_iterator last) {
    MethodCall all{.method = "batch", .body = "halt=0"};
    for (auto call = first; call != last; ++call) {
        const std::string command = call->method + (call->query.empty() ? "" : "?" + call->query);
        const auto index = static_cast<std::size_t>(call - first);
        all.body += "&" + form_field("cmd[" + key_of(index) + "]", command);
    }
    RestAnswer answer = ask_(all);
    if (!answer.succeeded()) {
        end_.text = answer.text;
        for (auto call = first; call != last; ++call) give_failure(*call, answer);
        return answer;
    }
    const JsonText said = *answer.find("result");
    note_operating(said, first, last);
    // An empty one is [].
    const auto results = said.find("result");
    const auto errors = said.find("result_error");
    for (auto call = first; call != last; ++call) {
        const std::string key = key_of(static_cast<std::size_t>(call - first));
        const auto result = results ? results->find(key) : std::nullopt;
        const auto error = errors ? errors->find(key) : std::nullopt;
        if (error) {
            const auto code = error->find("error");
            give_error(*call, cause_of_error(code ? code->string() : ""), error->text());
        } else if (result) {
            give_result(*call, result->text());
        } else {
            give_error(*call, RestCause::server,
                       R"({"error":"","error_description":"the answer has nothing for it"})");
        }
    }
    return std::nullopt;
}

// SAID is the result of the request of FIRST to LAST.
void BatchSender::note_operating(const JsonText& said, Calls::const_iterator first,
                           Calls::const_iterator last) const {
    const auto times = said.find("result_time");
    const auto errors = said.find("result_error");
    std::map<std::string, RestAnswer> answers;  // by method
    for (auto call = first; call != last; ++call) {
        const std::string key = key_of(static_cast<std::size_t>(call - first));
        RestAnswer answer;
        if (const auto time = times ? times->find(key) : std::nullopt) read_operating(*time, answer);
        const auto error = errors ? errors->find(key) : std::nullopt;
        if (const auto code = error ? error->find("error") : std::nullopt) {
            answer.cause = cause_of_error(code->string());
        }
        answers[call->method] = std::move(answer);
    }
    for (const auto& [method, answer] : answers) note_(method, answer);
}

void BatchSender::give_result(const BatchCall& call, std::string_view result) {
    give_line(call, "result", result);
}

// NAME is that of what came, JSON.
void BatchSender::give_line(const BatchCall& call, std::string_view name, std::string_view value) {
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    json.key("id").raw(call.id);
    json.key(name).raw(value);
    json.end_object();
    give_(line);
}

void BatchSender::give_error(const BatchCall& call, RestCause cause, std::string_view error) {
    ++end_.failed;
    if (exit_status_of(cause, right_) == exit_status_of(RestCause::server, right_)) {
        end_.may_repeat = true;
    }
    give_line(call, "error", error);
}

void BatchSender::give_failure(const BatchCall& call, const RestAnswer& answer,
                         const std::string& before) {
    std::string error;
    JsonWriter json(error);
    json.begin_object();
    json.field("error", answer.code);
    json.field("error_description", before + answer.text);
    json.end_object();
    give_error(call, answer.cause, error);
}

}  // namespace bx
