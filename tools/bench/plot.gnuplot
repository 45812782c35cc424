# SPDX-License-Identifier: GPL-2.0-only
#
# usage: gnuplot -e "data='DIRECTORY'; out='DIRECTORY'" plot.gnuplot
set terminal svg size 560,340 font "sans-serif,12" background "#ffffff"
set grid lc rgb "#dddddd"
set border lc rgb "#666666"
set key top left Left reverse
set style line 1 lc rgb "#b03a2e" lw 2 pt 7 ps 0.5
set style line 2 lc rgb "#1f618d" lw 2 pt 7 ps 0.5
set style line 3 lc rgb "#b03a2e" lw 1 dt 2 pt 6 ps 0.5
set style line 4 lc rgb "#1f618d" lw 1 dt 2 pt 6 ps 0.5
set logscale x 2

set output out."/bench-vectors.svg"
set title "VFIO DEVICE SET IRQS: a vector's cost"
set xlabel "MSI-X vectors"
set ylabel "thousand instructions a vector"
set yrange [0:]
set format y "%.0f"
plot data."/vectors.dat" using 1:($2/1000) with linespoints ls 1 title "enable, base", \
     "" using 1:($4/1000) with linespoints ls 2 title "enable, series", \
     "" using 1:($3/1000) with linespoints ls 3 title "disable, base", \
     "" using 1:($5/1000) with linespoints ls 4 title "disable, series"

set output out."/bench-doorbells.svg"
set title "A doorbell that is mapped already"
set xlabel "doorbells mapped in the domain"
set ylabel "instructions a call"
set logscale y 10
set yrange [10:]
plot data."/doorbells.dat" using 1:2 with linespoints ls 1 title "prepare, base", \
     "" using 1:4 with linespoints ls 4 title "prepare, series", \
     "" using 1:3 with linespoints ls 2 title "get, series"
