namespace Uml.CI.Tests;

public sealed class KernelAllowListTests
{
    private static readonly DateOnly Today = new(2026, 11, 21);

    private static readonly KernelComplaint Warning = new(KernelComplaintKind.Warning, "WARNING: CPU: 0 PID: 1 at lib/foo.c:12 foo+0x1/0x2")
    {
        Location = new KernelSourceLocation("lib/foo.c", 12),
        Message = "first line\nframe size is 12",
        Test = "suite.test.parameter",
    };

    private static readonly KernelComplaint Lockdep = new(KernelComplaintKind.Lockdep, "WARNING: possible circular locking dependency detected");

    [Theory]
    [InlineData("kind: Warning", true)]
    [InlineData("kind: warning", true)]
    [InlineData("kind: Oops", false)]
    [InlineData("title: *lib/foo.c*", true)]
    [InlineData("title: lib/foo.c", false)]
    [InlineData("title: frame size is ??", true)]
    [InlineData("title: frame size is", false)]
    [InlineData("regex: foo\\.c:\\d+ foo", true)]
    [InlineData("regex: ^frame size", true)]
    [InlineData("source: lib/*.c", true)]
    [InlineData("source: foo.c", false)]
    [InlineData("test: suite.*", true)]
    [InlineData("test: suite", false)]
    [InlineData("kind: Lockdep\ntest: *", false)]
    [InlineData("kind: Warning\nkernels: 7.3", true)]
    [InlineData("kind: Warning\nkernels: 6.1-7.3", true)]
    [InlineData("kind: Warning\nkernels: 7.3.1-", false)]
    [InlineData("kind: Warning\nkernels: -7.2", false)]
    public void An_entry_silences_what_it_is_about_and_nothing_else(string fields, bool silences)
    {
        var list = KernelAllowList.Parse($"# known\n{fields}\nreason: because\nexpires: 2026-11-21\n", "allow");
        KernelAllowListResult result = list.Apply([Warning, Lockdep], "7.3.0-rc7", Today);
        Assert.Equal(silences ? [Lockdep] : [Warning, Lockdep], result.Complaints);
        Assert.Equal(silences ? [Warning] : [], result.Allowed.Select(allowed => allowed.Complaint));
        Assert.Empty(result.Expired);
        bool inRange = !fields.Contains("7.3.1-", StringComparison.Ordinal) && !fields.Contains("-7.2", StringComparison.Ordinal);
        Assert.Equal(silences || !inRange ? 0 : 1, result.Unused.Length);
    }

    [Fact]
    public void An_expired_entry_no_longer_silences_and_is_named()
    {
        var list = KernelAllowList.Parse("kind: Lockdep\nreason: soon fixed\nexpires: 2026-11-20\n\nkind: Kasan\nreason: r\nexpires: 2099-01-01\n", "allow");
        KernelAllowListResult result = list.Apply([Lockdep], "7.3.0", Today);
        Assert.Equal([Lockdep], result.Complaints);
        Assert.Empty(result.Allowed);
        Assert.Equal("allow:1: Lockdep (soon fixed; until 2026-11-20)", Assert.Single(result.Expired).Entry.ToString());
        Assert.Equal(5, Assert.Single(result.Unused).Line);
    }

    [Fact]
    public void Without_a_release_entries_for_certain_kernels_do_not_count()
    {
        var list = KernelAllowList.Parse("kind: Warning\nkernels: 7.3-\nreason: r\nexpires: 2099-01-01\n", "allow");
        Assert.Single(list.Apply([Warning], null, Today).Complaints);
        Assert.Empty(list.Apply([Warning], "8.0.1", Today).Complaints);
    }

    [Theory]
    [InlineData("kind: Warning\nexpires: 2027-01-01", "allow:1: the entry has no reason; add \"reason: why this is put up with\"")]
    [InlineData("\nkind: Warning\nreason:\nexpires: 2027-01-01", "allow:3: \"reason\" has no value; give one or leave the line out", "allow:2: the entry has no reason; add \"reason: why this is put up with\"")]
    [InlineData("kind: Warning\nreason: r", "allow:1: the entry has no end; add \"expires: YYYY-MM-DD\", the day to look at it again")]
    [InlineData("kind: Warning\nreason: r\nexpires: never", "allow:3: \"never\" is no date; write it as YYYY-MM-DD")]
    [InlineData("reason: r\nexpires: 2027-01-01", "allow:1: the entry would allow everything; add \"kind\", \"title\", \"regex\", \"source\" or \"test\"")]
    [InlineData("kind: 3\nreason: r\nexpires: 2027-01-01", null)]
    [InlineData("kind: Wanring\nreason: r\nexpires: 2027-01-01", null)]
    [InlineData("regex: (\nreason: r\nexpires: 2027-01-01", null)]
    [InlineData("regex: (?=x)\nreason: r\nexpires: 2027-01-01", null)]
    [InlineData("title: a\nregex: b\nreason: r\nexpires: 2027-01-01", "allow:2: \"title\" and \"regex\" are both here; leave one out")]
    [InlineData("kind: Warning\nkernels: new\nreason: r\nexpires: 2027-01-01", "allow:2: \"new\" is no range of kernels; write it as 6.1-6.12, 7.2-, -6.6 or 6.6")]
    [InlineData("kind: Warning\nkind: Oops\nreason: r\nexpires: 2027-01-01", "allow:2: \"kind\" is here a second time; part entries by a blank line")]
    [InlineData("kind: Warning\nhello\nreason: r\nexpires: 2027-01-01", "allow:2: \"hello\" is no line of an allow list; each is one of kind, title, regex, source, test, kernels, reason, expires, a colon, and a value")]
    public void What_is_wrong_is_said_with_its_line(string text, params string?[] problems)
    {
        KernelAllowListException exception = Assert.Throws<KernelAllowListException>(() => KernelAllowList.Parse(text, "allow"));
        if (problems is [{ }, ..])
            Assert.Equal(problems, exception.Problems);
        else
            Assert.StartsWith("allow:1: ", Assert.Single(exception.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_regular_expression_cannot_take_for_ever()
    {
        var list = KernelAllowList.Parse("regex: (a+)+$\nreason: r\nexpires: 2099-01-01\n", "allow");
        KernelComplaint complaint = new(KernelComplaintKind.Bug, new string('a', 4_000) + "b");
        Assert.Single(list.Apply([complaint], null, Today).Complaints);
    }
}
