namespace Uml.CI.Tests;

public sealed class TestTableTests
{
    [Fact]
    public void Classes_that_agree_are_one_row_and_what_differs_or_failed_is_shown()
    {
        TestResult theory = Cases.Result("N.Good.Rows") with { Name = "N.Good.Rows(value: 1)" };
        string table = TestTable.Format(
        [
            Cases.Run("old", Cases.Result("N.Good.A"), theory, theory, Cases.Result("N.Good.S", TestOutcome.Skipped), Cases.Result("N.Mixed.Differs", TestOutcome.Failed), Cases.Result("N.Mixed.Same"), Cases.Result("N.Mixed.OnlyOld"), Cases.Result("N.Lost.A", TestOutcome.Failed) with { NeverBegan = true }),
            Cases.Run("new", Cases.Result("N.Good.A"), theory, theory, Cases.Result("N.Good.S", TestOutcome.Skipped), Cases.Result("N.Mixed.Differs"), Cases.Result("N.Mixed.Same"), Cases.Result("N.Lost.A")) with { Errors = ["broken"] },
        ]);
        Assert.Equal(
            """
                       old                  new
            N.Good     3 passed, 1 skipped  3 passed, 1 skipped
            N.Lost
              A        lost                 passed
            N.Mixed
              Differs  FAILED               passed
              OnlyOld  passed               -
              1 more   1 passed             1 passed

            passed     5                    6
            failed     2                    0
            skipped    1                    1
            errors     0                    1
            kernel     1.2.3                1.2.3
            time       1.5 s                1.5 s

            """,
            table);
    }

    [Fact]
    public void A_failure_everywhere_is_shown() =>
        Assert.Contains("  Fails", TestTable.Format([Cases.Run("a", Cases.Result("C.Fails", TestOutcome.Failed)), Cases.Run("b", Cases.Result("C.Fails", TestOutcome.Failed))]), StringComparison.Ordinal);

    [Fact]
    public void A_narrow_terminal_costs_the_beginnings_of_names()
    {
        string table = TestTable.Format([Cases.Run("k", Cases.Result("A.Very.Long.Name.Space.Of.Some.Tests.Class.Method"))], 40);
        Assert.All(table.Split('\n'), line => Assert.True(line.Length <= 40, line));
        Assert.Contains("Tests.Class", table, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_did_not_come_up_has_no_release() =>
        Assert.Contains("none", TestTable.Format([Cases.Run("k") with { Release = "", Errors = ["no"] }]), StringComparison.Ordinal);
}
