// What a unit test can do to its kernel, in one kernel, with tests around that must not be harmed.
// It takes the place of lib/kunit/kunit-example-test.c.
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/processor.h>

static void planted_passes(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, true);
}

static void planted_fails(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 1 + 1, 3);
}

static void planted_skips(struct kunit *test)
{
	kunit_skip(test, "planted reason");
}

static int *volatile planted_nowhere;

static void planted_crashes(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, *planted_nowhere, 0);
}

static void planted_spins(struct kunit *test)
{
	for (;;)
		cpu_relax();
}

static void planted_sleeps(struct kunit *test)
{
	for (;;)
		msleep(100);
}

static void planted_warns(struct kunit *test)
{
	WARN(1, "planted warning");
}

static struct kunit_case first_cases[] = {
	KUNIT_CASE(planted_passes), KUNIT_CASE(planted_fails), KUNIT_CASE(planted_skips), {}
};
static struct kunit_suite first_suite = { .name = "planted_first", .test_cases = first_cases };

static struct kunit_case crash_cases[] = {
	KUNIT_CASE(planted_passes), KUNIT_CASE(planted_crashes), KUNIT_CASE(planted_skips), {}
};
static struct kunit_suite crash_suite = { .name = "planted_crash", .test_cases = crash_cases };

static struct kunit_case spin_cases[] = {
	KUNIT_CASE(planted_passes), KUNIT_CASE(planted_spins), KUNIT_CASE(planted_skips), {}
};
static struct kunit_suite spin_suite = { .name = "planted_spin", .test_cases = spin_cases };

static struct kunit_case sleep_cases[] = {
	KUNIT_CASE(planted_passes), KUNIT_CASE(planted_sleeps), KUNIT_CASE(planted_skips), {}
};
static struct kunit_suite sleep_suite = { .name = "planted_sleep", .test_cases = sleep_cases };

static struct kunit_case warn_cases[] = { KUNIT_CASE(planted_warns), {} };
static struct kunit_suite warn_suite = { .name = "planted_warning", .test_cases = warn_cases };

static struct kunit_case last_cases[] = { KUNIT_CASE(planted_passes), KUNIT_CASE(planted_skips), {} };
static struct kunit_suite last_suite = { .name = "planted_last", .test_cases = last_cases };

kunit_test_suites(&first_suite, &crash_suite, &spin_suite, &sleep_suite, &warn_suite, &last_suite);

MODULE_DESCRIPTION("Tests that fail, crash and hang");
MODULE_LICENSE("GPL");
