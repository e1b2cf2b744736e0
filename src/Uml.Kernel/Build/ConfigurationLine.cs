namespace Uml.CI;

/// <summary>One option that a fragment asks for.</summary>
/// <param name="Option">Its name, without <c>CONFIG_</c>.</param>
/// <param name="Value">What it is to be, as Kconfig writes it: <c>y</c>, <c>m</c>, <c>n</c>, a number, or a text in quotes.</param>
/// <param name="Origin">Where it stands: <c>fast.config:12</c>.</param>
internal sealed record ConfigurationLine(string Option, string Value, string Origin)
{
    /// <summary>The kernels it is for.</summary>
    public KernelVersionRange Versions { get; init; } = KernelVersionRange.All;

    /// <summary>Kconfig may drop it.</summary>
    public bool IsOptional { get; init; }

    /// <summary>The line as a fragment for Kconfig has it.</summary>
    public string Text => Value == "n" ? $"# CONFIG_{Option} is not set" : $"CONFIG_{Option}={Value}";
}
