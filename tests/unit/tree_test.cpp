#include "form/tree.h"

#include <boost/test/unit_test.hpp>
#include <string>

#include "base/error.h"
#include "base/siphash.h"
#include "event/payload.h"

namespace bx {

namespace {

// A tree that is built by dotted paths; "+" appends.
struct Builder {
    Tree tree;

    Place reach(std::string_view path) {
        Place place = Tree::root_place;
        while (!path.empty()) {
            const std::string_view key = path.substr(0, path.find('.'));
            path.remove_prefix(std::min(key.size() + 1, path.size()));
            if (key == "+") {
                place = tree.child(place, tree.add_key(std::to_string(*tree.next_index(place))));
            } else {
                place = tree.child(place, tree.add_key(key));
            }
        }
        return place;
    }

    Builder& set(std::string_view path, std::string_view text) {
        const Place place = reach(path);
        tree.set_text(place, tree.add_text(text));
        return *this;
    }

    std::string json() const {
        std::string out;
        append_tree_json(out, tree);
        return out;
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tree)

BOOST_AUTO_TEST_CASE(is_an_empty_list_at_first) {
    BOOST_TEST(Builder().json() == "[]");
    BOOST_TEST(Tree().root().is_array());
    BOOST_TEST(!Tree().root().first());
}

BOOST_AUTO_TEST_CASE(keeps_the_order_of_first_insertion) {
    Builder b;
    b.set("c", "1").set("a.z", "1").set("b", "2").set("a.y", "3").set("c", "4");
    BOOST_TEST(b.json() == R"({"c":"4","a":{"z":"1","y":"3"},"b":"2"})");
}

BOOST_AUTO_TEST_CASE(splits_a_path_where_a_later_one_parts_from_it) {
    Builder b;
    b.set("a.b.c.d", "1").set("a.b.x", "2").set("a.y.c.d", "3").set("a.b.c.e.f", "4");
    BOOST_TEST(b.json() ==
               R"({"a":{"b":{"c":{"d":"1","e":{"f":"4"}},"x":"2"},"y":{"c":{"d":"3"}}}})");
    BOOST_TEST(b.tree.at("a.b.c.e.f").text() == "4");
    BOOST_TEST(b.tree.at("a.b.c.e").is_array());
    BOOST_TEST(!b.tree.at("a.b.c.f"));
    BOOST_TEST(!b.tree.at("a.b.c.d.e"));
    BOOST_TEST(b.tree.at("a.b").key() == "b");
    BOOST_TEST(b.tree.at("a.b").count() == 2);
}

BOOST_AUTO_TEST_CASE(replaces_a_scalar_by_an_array_and_back) {
    Builder b;
    b.set("a", "1").set("a.b.c", "2");
    BOOST_TEST(b.json() == R"({"a":{"b":{"c":"2"}}})");
    b.set("a.b", "3");
    BOOST_TEST(b.json() == R"({"a":{"b":"3"}})");
    b.set("a.b.c.d", "4").set("a", "5").set("z.y", "6").set("a.q", "7");
    BOOST_TEST(b.json() == R"({"a":{"q":"7"},"z":{"y":"6"}})");
}

BOOST_AUTO_TEST_CASE(tells_what_was_assigned_twice) {
    Builder b;
    b.set("once", "1").set("twice", "1").set("twice", "1");
    b.set("x.a", "1").set("x.b", "1");
    b.set("was_text", "1").set("was_text.a", "1");
    b.set("was_array.a.b", "1").set("was_array", "1");
    BOOST_TEST(!b.tree.at("once").rewritten());
    BOOST_TEST(b.tree.at("twice").rewritten());
    BOOST_TEST(!b.tree.at("x").rewritten());
    BOOST_TEST(!b.tree.at("x.a").rewritten());
    BOOST_TEST(b.tree.at("was_text").rewritten());
    BOOST_TEST(!b.tree.at("was_text.a").rewritten());
    BOOST_TEST(b.tree.at("was_array").rewritten());
    BOOST_TEST(!b.tree.root().rewritten());
}

BOOST_AUTO_TEST_CASE(moves_the_mark_of_a_second_assignment_with_its_value) {
    Builder b;
    b.set("a.b.c", "1").set("a.b.c", "2").set("a.x", "3");
    BOOST_TEST(!b.tree.at("a").rewritten());
    BOOST_TEST(!b.tree.at("a.b").rewritten());
    BOOST_TEST(b.tree.at("a.b.c").rewritten());
}

BOOST_AUTO_TEST_CASE(appends_behind_the_largest_int_key_ever) {
    Builder b;
    b.set("a.5", "x").set("a.3", "y").set("a.+", "z");
    b.set("n.-5", "x").set("n.+", "y");
    b.set("s.07", "x").set("s.-0", "x").set("s.9223372036854775808", "x").set("s.+", "y");
    BOOST_TEST(b.json() == R"({"a":{"5":"x","3":"y","6":"z"},"n":{"-5":"x","-4":"y"},)"
                           R"("s":{"07":"x","-0":"x","9223372036854775808":"x","0":"y"}})");
}

BOOST_AUTO_TEST_CASE(has_no_index_behind_the_last_one) {
    Builder b;
    b.set("a.9223372036854775806", "x").set("a.+", "y");
    BOOST_TEST(!b.tree.next_index(b.reach("a")));
    BOOST_TEST(b.tree.at("a.9223372036854775807").text() == "y");
}

BOOST_AUTO_TEST_CASE(finds_each_of_many_children) {
    Builder b;
    constexpr int many = 5000;
    for (int i = 0; i < many; ++i) b.set("a.k" + std::to_string(i) + ".deep.er", std::to_string(i));
    for (int i = 0; i < many; ++i) b.set("a.k" + std::to_string(i) + ".deep.too", "!");
    BOOST_TEST(b.tree.at("a").count() == many);
    int wrong = 0;
    for (int i = 0; i < many; ++i) {
        const Value deep = b.tree.at("a.k" + std::to_string(i) + ".deep");
        wrong += deep["er"].text() != std::to_string(i) || deep["too"].text() != "!";
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(!b.tree.at("a.k5000"));
}

// A node packs lengths and distances up to certain sizes; these are about all of them.
BOOST_AUTO_TEST_CASE(keeps_keys_and_texts_of_any_length) {
    const std::size_t lengths[] = {0, 1, 254, 255, 256, 257, 4094, 4095, 4096, 4097, 70000};
    for (const std::size_t key_length : lengths) {
        for (const std::size_t text_length : lengths) {
            const std::string key(key_length, 'k');
            const std::string text(text_length, 't');
            Builder b;
            b.set(key + "k.x." + key + "x", text).set("y", text + "1");
            BOOST_TEST(b.tree.at(key + "k.x." + key + "x").text() == text);
            b.set(key + "k.z", text + "2").set(key + "k.x.y." + key + "y", "3");  // splits twice
            BOOST_TEST(b.tree.at(key + "k.x." + key + "x").text() == text);
            BOOST_TEST(b.tree.at(key + "k.z").text() == text + "2");
            BOOST_TEST(b.tree.at(key + "k.x.y." + key + "y").text() == "3");
            b.set(key + "k.x." + key + "x", "4" + text).set("y", "5");  // far from its key
            BOOST_TEST(b.tree.at(key + "k.x." + key + "x").text() == "4" + text);
            b.set(key + "k.x", text + "6").set(key + "k.x.y", text);
            BOOST_TEST(b.tree.at(key + "k.x.y").text() == text);
            BOOST_TEST(b.tree.at(key + "k").count() == 2);
            BOOST_TEST(b.tree.at("y").text() == "5");
        }
    }
}

BOOST_AUTO_TEST_CASE(has_room_for_as_many_children_as_were_announced) {
    for (const int fields : {1, 15, 16, 17, 18, 47, 48, 49, 1000, 5000}) {
        Builder b;
        b.tree.reserve(static_cast<std::size_t>(fields));
        for (int i = 0; i < fields; ++i) b.set("k" + std::to_string(i), std::to_string(i));
        int wrong = 0;
        for (int i = 0; i < fields; ++i) {
            const std::string number = std::to_string(i);
            wrong += b.tree.at("k" + number).text() != number;
        }
        BOOST_TEST(wrong == 0);
        BOOST_TEST(!b.tree.at("k" + std::to_string(fields)));
    }
}

BOOST_AUTO_TEST_CASE(forgets_the_children_of_a_replaced_array) {
    Builder b;
    for (int i = 0; i < 50; ++i) b.set("a.k" + std::to_string(i), "1");
    b.set("a", "gone").set("a.k7", "new");
    BOOST_TEST(b.json() == R"({"a":{"k7":"new"}})");
}

BOOST_AUTO_TEST_CASE(hides_what_is_dropped_until_it_is_assigned_again) {
    Builder b;
    b.set("a.x", "1").set("a.y", "2").set("b", "3");
    b.tree.drop(b.reach("a.x"));
    BOOST_TEST(b.json() == R"({"a":{"y":"2"},"b":"3"})");
    BOOST_TEST(!b.tree.at("a.x"));
    b.set("a.x", "4");
    BOOST_TEST(b.json() == R"({"a":{"x":"4","y":"2"},"b":"3"})");
    b.tree.drop(b.reach("a"));
    BOOST_TEST(b.json() == R"({"b":"3"})");
}

BOOST_AUTO_TEST_CASE(a_list_has_the_keys_0_to_n_in_order) {
    Builder b;
    b.set("list.0", "x").set("list.1", "x");
    b.set("back.1", "x").set("back.0", "x");
    b.set("gap.0", "x").set("gap.2", "x");
    b.set("path.0.0", "x").set("other.00", "x");
    BOOST_TEST(b.tree.at("list").is_list());
    BOOST_TEST(!b.tree.at("back").is_list());
    BOOST_TEST(!b.tree.at("gap").is_list());
    BOOST_TEST(b.tree.at("path").is_list());
    BOOST_TEST(!b.tree.at("other").is_list());
    BOOST_TEST(!b.tree.at("list.0").is_list());
}

// What walk() meets below TOP: "(key" and ")" of an array, "key=text" of a scalar.
std::string met(Value top) {
    std::string text;
    walk(
        top, [&](Value array) { text += "(" + std::string(array.key()) + " "; },
        [&](Value leaf) { text.append(leaf.key()).append("=").append(leaf.text()) += ' '; },
        [&](Value) { text += ") "; });
    return text;
}

BOOST_AUTO_TEST_CASE(a_walk_meets_every_value_in_order) {
    Builder b;
    b.set("a.x.y", "1").set("a.z", "2").set("b", "3").set("c.d.e", "4");
    b.tree.set_array(b.reach("a.none"));
    b.tree.drop(b.reach("c.d.e"));
    b.tree.set_array(b.reach("c.d"));
    BOOST_TEST(met(b.tree.root()) == "(a (x y=1 ) z=2 (none ) ) b=3 (c (d ) ) ");
    BOOST_TEST(met(b.tree.at("a.x")) == "y=1 ");
    BOOST_TEST(met(b.tree.at("a.none")) == "");
    BOOST_TEST(met(b.tree.at("b")) == "");
    BOOST_TEST(met(Value()) == "");
}

BOOST_AUTO_TEST_CASE(a_walk_goes_as_deep_as_the_tree) {
    constexpr std::size_t levels = 300'000;  // more than a stack has room for
    Builder b;
    std::string path;
    for (std::size_t i = 0; i < levels; ++i) path += "k.";
    b.set(path + "end", "1");
    std::size_t entered = 0, left = 0, deepest = 0;
    walk(
        b.tree.root(), [&](Value) { ++entered; }, [&](Value) { deepest = entered - left; },
        [&](Value) { ++left; });
    BOOST_TEST(entered == levels);
    BOOST_TEST(left == levels);
    BOOST_TEST(deepest == levels);
}

BOOST_AUTO_TEST_CASE(every_scalar_is_visited_with_its_path) {
    Builder b;
    b.set("a.x.y", "1").set("a.z", "2").set("b", "3");
    b.tree.set_array(b.reach("none"));
    std::string text;
    each_scalar(b.tree.root(), [&](KeyPath path, Value scalar) {
        for (std::string_view key : path) text.append(key) += '/';
        text.append(scalar.text()) += ' ';
    });
    BOOST_TEST(text == "a/x/y/1 a/z/2 b/3 ");
}

BOOST_AUTO_TEST_CASE(nothing_answers_as_an_empty_value) {
    const Value nothing;
    BOOST_TEST(!nothing);
    BOOST_TEST(!nothing.is_array());
    BOOST_TEST(!nothing.is_text());
    BOOST_TEST(nothing.text() == "");
    BOOST_TEST(nothing.key() == "");
    BOOST_TEST(!nothing["a"]);
    BOOST_TEST(!nothing.at("a.b"));
    BOOST_TEST(!nothing.first());
    BOOST_TEST(!nothing.next());
}

BOOST_AUTO_TEST_CASE(refuses_a_buffer_longer_than_its_lengths_can_say) {
    BOOST_CHECK_THROW(Tree(std::string(Tree::max_bytes + 1, 'a')), Error);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(siphash_1_3)

// The authors' key; the values as Rust's library tests them, read as little-endian numbers.
BOOST_AUTO_TEST_CASE(gives_the_published_values) {
    const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    BOOST_TEST(siphash(key, "") == 0xabac0158050fc4dc);
    BOOST_TEST(siphash(key, std::string_view("\0", 1)) == 0xc9f49bf37d57ca93);
    BOOST_TEST(siphash(key, "12345678") != siphash(key, "12345679"));
    BOOST_TEST(siphash(key, "123456789") != siphash(key, "12345678"));
    BOOST_TEST(siphash({1, 2}, "a") != siphash({1, 3}, "a"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
