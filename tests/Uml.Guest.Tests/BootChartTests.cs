using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Xml.Linq;

namespace Uml.CI.Tests;

public sealed class BootChartTests
{
    private static readonly string Snapshots = typeof(BootChartTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Snapshots").Value!;

    private static readonly BootMeasurement Boots = BootSamples.Measure(BootTimelineReader.Read(Moments(), BootSamples.Sid));

    [Fact]
    public void Image() => Verify(BootChartSvg.Draw(Boots));

    [Fact]
    public void Page() => Verify(BootChartHtml.Write(Boots));

    [Fact]
    public void Summary() => Verify(BootChartText.Write(Boots, TimeSpan.FromMilliseconds(180)));

    [Fact]
    public void Data()
    {
        string text = BootChartJson.Write(Boots);

        using JsonDocument json = JsonDocument.Parse(text);
        JsonElement boot = json.RootElement.GetProperty("boots")[0];
        Assert.Equal(56, boot.GetProperty("result").GetDouble());
        Assert.Equal(4.5, boot.GetProperty("initcalls").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "init_jfs_fs").GetProperty("duration").GetDouble());
    }

    [Fact]
    public void Nothing_is_fetched_from_elsewhere()
    {
        string page = BootChartHtml.Write(Boots).Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal);

        Assert.DoesNotContain("http", page.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("src=", page, StringComparison.Ordinal);
        Assert.DoesNotContain("url(", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_cannot_break_out()
    {
        const string name = "</text><script>alert(1)</script>\u0001\ud800&\"'";
        BootMeasurement boots = Boots with
        {
            Subject = Boots.Subject with { Command = name, Reference = name, CommandLine = name, Release = name },
            Shown = Boots.Shown with { Failure = name, Initcalls = [new BootInitcall(name, name, name, TimeSpan.FromMilliseconds(20), null, -1)] },
        };

        Assert.Empty(AssertDrawable(boots).Descendants(XName.Get("script", "http://www.w3.org/2000/svg")));
        Assert.DoesNotContain("<script>alert", BootChartHtml.Write(boots), StringComparison.Ordinal);
    }

    [Fact]
    public void The_boot_of_the_median_time_is_shown_unless_one_failed()
    {
        BootTimeline[] boots = [.. new[] { 30.0, 10, 20 }.Select(t => new BootTimeline { Ready = TimeSpan.FromMilliseconds(t) })];

        Assert.Equal(TimeSpan.FromMilliseconds(20), BootMeasurement.Choose(boots).Ready);
        boots[0] = boots[0] with { Failure = "no" };
        Assert.Same(boots[0], BootMeasurement.Choose(boots));
        Assert.Throws<ArgumentException>(() => BootMeasurement.Choose([]));
    }

    [Fact]
    public void Slowest_initcalls_are_medians_of_all_boots()
    {
        BootTimeline Boot(int a, int b) => new() { Initcalls = [Call("a", a), Call("b", b)] };
        BootTimeline[] boots = [Boot(1, 2), Boot(9, 3), Boot(8, 4)];

        BootInitcall[] slowest = [.. (Boots with { Shown = boots[0], Traced = [.. boots] }).Slowest()];

        Assert.Equal([("a", 8), ("b", 3)], slowest.Select(c => (c.Name, (int)c.Duration!.Value.TotalMilliseconds)));
        static BootInitcall Call(string name, int milliseconds) => new(name, "", "", TimeSpan.Zero, TimeSpan.FromMilliseconds(milliseconds), 0);
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.0004, "0.000")]
    [InlineData(0.0243, "0.024")]
    [InlineData(0.94, "0.94")]
    [InlineData(3.14159, "3.1")]
    [InlineData(99.97, "100")]
    [InlineData(1234.4, "1234")]
    public void Times(double milliseconds, string expected) => Assert.Equal(expected, BootScale.Milliseconds(TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData(72, 10, 10)]
    [InlineData(45, 10, 5)]
    [InlineData(1500, 10, 200)]
    [InlineData(0, 10, 0.0001)]
    public void Ticks(double milliseconds, int ticks, double expected) => Assert.Equal(expected, BootScale.Step(milliseconds, ticks), 9);

    [Fact]
    public void Long_lines_are_wrapped_and_nothing_is_lost()
    {
        string text = $"one two {new string('x', 50)} three";

        string[] lines = [.. BootScale.Wrap(text, 20)];

        Assert.All(lines, l => Assert.True(l.Length <= 20));
        Assert.Equal(text.Replace(" ", "", StringComparison.Ordinal), string.Concat(lines).Replace(" ", "", StringComparison.Ordinal));
    }

    /// <summary>Draws, and sees that the result is well-formed, that nothing is outside of it and that no two rows overlap.</summary>
    internal static XDocument AssertDrawable(BootMeasurement boots)
    {
        XDocument svg = XDocument.Parse(BootChartSvg.Draw(boots));
        double width = Value(svg.Root!, "width"), height = Value(svg.Root!, "height");
        Assert.All(svg.Descendants().Where(e => e.Attribute("x") is not null), e =>
        {
            Assert.InRange(Value(e, "x"), 0, width);
            Assert.InRange(Value(e, "y"), 0, height);
            if (e.Attribute("width") is not null)
                Assert.InRange(Value(e, "width"), 0, width);
        });
        double[] rows = [.. svg.Descendants().Where(e => (string?)e.Attribute("class") == "s").Select(e => Value(e, "y")).Order()];
        for (int i = 1; i < rows.Length; i++)
            Assert.True(rows[i] - rows[i - 1] >= 40);
        return svg;
    }

    private static double Value(XElement element, string attribute) => double.Parse(element.Attribute(attribute)!.Value, CultureInfo.InvariantCulture);

    private static Dictionary<BootMoment, TimeSpan> Moments()
    {
        double[] times = [0, 1, 2, 3, 5, 5.1, 6, 7, 7.2, 44, 44.1, 50, 50.1, 55, 56, 57, 70, 72];
        return Enum.GetValues<BootMoment>().Zip(times).ToDictionary(p => p.First, p => TimeSpan.FromMilliseconds(p.Second));
    }

    // A snapshot that differs is written beside the one that was expected, for people to look at and rename.
    private static void Verify(string text, [CallerMemberName] string method = "")
    {
        string stem = Path.Combine(Snapshots, $"{nameof(BootChartTests)}.{method}");
        string verified = File.Exists($"{stem}.verified.txt") ? File.ReadAllText($"{stem}.verified.txt") : "";
        if (verified == text)
        {
            File.Delete($"{stem}.received.txt");
            return;
        }

        File.WriteAllText($"{stem}.received.txt", text);
        Assert.Equal(verified, text);
    }
}
