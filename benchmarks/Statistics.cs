namespace Uml.CI.Benchmarks;

/// <summary>The runs of one measurement.</summary>
internal sealed record Statistics(double[] Values)
{
    public double Median => Values.Order().ElementAt(Values.Length / 2);

    public double Minimum => Values.Min();

    public double Maximum => Values.Max();

    public static async Task<Statistics> MeasureAsync(int runs, Func<Task<double>> run)
    {
        // One run that does not count: the first pays for compiling, caching and resolving.
        await run();
        double[] values = new double[runs];
        for (int i = 0; i < runs; i++)
            values[i] = await run();
        return new Statistics(values);
    }
}

/// <summary>A line of the report.</summary>
internal sealed record Line(string What, string Unit, Statistics Ours, string FloorName, Statistics? Floor)
{
    public override string ToString()
    {
        string floor = Floor is null ? "" : $"   x{Ours.Median / Floor.Median:0.00} of {FloorName} ({Floor.Median:0.##} {Unit}, {Floor.Minimum:0.##}-{Floor.Maximum:0.##})";
        return $"{What,-46} {Ours.Median,9:0.##} {Unit,-9} {$"{Ours.Minimum:0.##}-{Ours.Maximum:0.##}",16}{floor}";
    }
}
