using Xunit;

namespace Uml.CI;

public sealed class FloatingPointStateTests
{
    [Theory]
    [InlineData("6.1", 11008, true)]
    [InlineData("6.12", 2704, true)]
    [InlineData("6.12", 2696, false)]
    [InlineData("6.12", 832, false)]
    [InlineData("6.13", 11008, false)]
    [InlineData("7.3", 11008, false)]
    public void Old_kernels_have_too_little_room_on_new_processors(string kernel, int size, bool isProblem) =>
        Assert.Equal(isProblem, FloatingPointState.ProblemOf(Version.Parse(kernel), size) is not null);

    [Fact]
    public void Where_nothing_is_known_nothing_is_said()
    {
        Assert.Null(FloatingPointState.ProblemOf(new Version(6, 1), null));
        Assert.Null(FloatingPointState.ProblemOf(new Version(7, 3)));
    }
}
